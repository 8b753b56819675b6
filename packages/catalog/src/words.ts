/** Words of one asset that its search index holds; more are left out. */
const WORDS_MAX = 256
const WORD_LENGTH_MAX = 64
/** Words of one question. */
export const QUERY_WORDS_MAX = 8

const WORD = /[\p{L}\p{N}\p{M}]+|\p{Extended_Pictographic}/gu
const MARKS = /\p{M}+/gu
/** IMG1234 is found by "1234" too. */
const PARTS = /\p{N}+|[\p{L}\p{M}]+/gu

/** Lower case, one form for equal-looking letters; "Grün" and "grun" both find Grün. */
const plain = (text: string): string => text.normalize('NFKC').toLowerCase()
const bare = (text: string): string => text.normalize('NFD').replace(MARKS, '').normalize('NFC')

/** What an asset can be found by: the words of its texts, their parts at borders of letters and digits, and both without accents. */
export function searchWords(texts: readonly (string | null | undefined)[]): string[] {
  const words = new Set<string>()
  for (const text of texts) {
    for (const word of plain(text ?? '').match(WORD) ?? []) {
      for (const form of [word, ...(word.match(PARTS) ?? [])]) {
        if (words.size >= WORDS_MAX) return [...words]
        const cut = form.slice(0, WORD_LENGTH_MAX).toWellFormed()
        words.add(cut)
        words.add(bare(cut))
      }
    }
  }
  words.delete('')
  return [...words]
}

/** What a person typed, as a tsquery in which every word must begin a word of the asset. Null: nothing to search for. */
export function prefixQuery(typed: string): string | null {
  const words = (plain(typed).match(WORD) ?? []).slice(0, QUERY_WORDS_MAX)
  if (words.length === 0) return null
  // WORD lets neither quotes nor backslashes through: nothing in a word can end its quotes.
  return words.map((word) => `'${word.slice(0, WORD_LENGTH_MAX).toWellFormed()}':*`).join(' & ')
}
