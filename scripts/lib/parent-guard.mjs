// Preloaded into what `npm start` runs: when the start script is gone, even by kill -9, the process stops in order instead of living on.
if (process.channel) {
  process.channel.unref()
  process.once('disconnect', () => process.kill(process.pid, 'SIGTERM'))
}
