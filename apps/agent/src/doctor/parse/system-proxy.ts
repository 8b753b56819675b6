/** The proxy that browsers of this system use. */
export interface SystemProxy {
  readonly address: string
  /** Hosts and patterns that go past it. */
  readonly except: readonly string[]
}

/** `scutil --proxy`; null: none is on. */
export function parseScutilProxy(text: string): SystemProxy | null {
  const value = (name: string) => new RegExp(`^\\s*${name} : (.+)$`, 'm').exec(text)?.[1]?.trim()
  const kind = ['HTTP', 'HTTPS'].find((name) => value(`${name}Enable`) === '1')
  if (kind === undefined) return null
  const list = /ExceptionsList : <array> \{([\s\S]*?)\}/.exec(text)?.[1] ?? ''
  const except = [...list.matchAll(/^\s*\d+ : (\S+)\s*$/gm)].map((match) => match[1] ?? '')
  // "Exclude simple hostnames" says nothing of addresses.
  return { address: `${value(`${kind}Proxy`) ?? ''}:${value(`${kind}Port`) ?? ''}`, except }
}

/** `reg query "HKCU\…\Internet Settings"`: what Windows' browsers use. */
export function parseInternetSettings(values: readonly { readonly name: string; readonly data: string }[]): SystemProxy | null {
  const value = (name: string) => values.find((one) => one.name === name)?.data ?? ''
  if (Number(value('ProxyEnable') || 0) === 0 || value('ProxyServer') === '') return null
  return { address: value('ProxyServer'), except: value('ProxyOverride').split(';').filter(Boolean) }
}
