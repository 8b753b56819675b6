// Progress lines of the root scripts: what happens, and how long it has been going on.
const startedAt = performance.now()

/** @param {string} what */
export function makeSay(what) {
  return (/** @type {string} */ text) => {
    const seconds = ((performance.now() - startedAt) / 1000).toFixed(1).padStart(6)
    console.log(`${what} ${seconds} s  ${text}`)
  }
}

/** Ends the script with one sentence for a person, no stack. @param {string} sentence @returns {never} */
export function giveUp(sentence) {
  console.error(`\n${sentence}\n`)
  process.exit(1)
}
