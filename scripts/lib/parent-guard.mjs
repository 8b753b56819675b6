// Preloaded into what `npm start` runs: when the start script is gone, even by kill -9, the process stops in order instead of living on.
if (process.channel) {
  process.channel.unref()
  process.once('disconnect', () => {
    // On Windows a signal to oneself ends the process at once: there those who listen for it are told directly, and it ends so only where nobody does.
    const told = process.platform === 'win32' && process.emit('SIGTERM', 'SIGTERM')
    if (!told) process.kill(process.pid, 'SIGTERM')
  })
}
