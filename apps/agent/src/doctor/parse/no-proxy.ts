import { inSubnet } from '@thatdam/discovery/interfaces'

/**
 * Does a host go past the proxy? Entries are as programs read them: a name with its subdomains (`.example.org`, `example.org`), `*` patterns
 * (`192.168.*`), subnets (`10.0.0.0/8`), each perhaps with a port, `*` for all, and Windows' `<local>` for names without a dot.
 */
export function goesPast(host: string, except: readonly string[]): boolean {
  const wanted = host.toLowerCase()
  return except.some((entry) => {
    const pattern = entry.trim().toLowerCase().replace(/:\d+$/, '')
    if (pattern === '*' || pattern === wanted) return true
    if (pattern === '<local>') return !wanted.includes('.')
    const [network = '', bits] = pattern.split('/')
    if (bits !== undefined) return inSubnet(wanted, network, Number(bits))
    if (pattern.includes('*')) {
      const expression = pattern.split('*').map((part) => part.replace(/[.+?^${}()|[\]\\]/g, String.raw`\$&`))
      return new RegExp(`^${expression.join('.*')}$`).test(wanted)
    }
    return pattern !== '' && wanted.endsWith(pattern.startsWith('.') ? pattern : `.${pattern}`)
  })
}
