export default function NotFound() {
  return (
    <main className="mx-auto flex min-h-dvh max-w-md flex-col justify-center gap-2 px-4">
      <h1 className="text-2xl font-semibold">There is nothing here</h1>
      <p className="text-lg text-ink-soft">
        <a href="/" className="text-accent-text underline">
          Go to Explorer
        </a>
      </p>
    </main>
  )
}
