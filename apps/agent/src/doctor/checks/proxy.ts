import { lanAddresses } from '../../facts/network.ts'
import type { Finding } from '@thatdam/protocol/doctor'
import type { Check, CheckContext } from '../check.ts'
import { ok, reasonOf, warn } from '../finding.ts'
import { askDate } from '../http-date.ts'
import { goesPast } from '../parse/no-proxy.ts'
import { parseRegQuery } from '../parse/reg-query.ts'
import { parseInternetSettings, parseScutilProxy, type SystemProxy } from '../parse/system-proxy.ts'
import { localInterfaces } from '../lan.ts'

const NAME = 'Proxy'

/** A proxy that is set but not used by the agent, or that the LAN's own addresses would go through. */
export const check: Check = {
  name: NAME,
  limitMs: 5_500,
  run: async (context) => {
    const { childEnvironment: variables } = context.env
    const [set, ofSystem] = [fromVariables(variables), await systemProxy(context)]
    const findings = [...(set ? await checkVariables(set, context) : []), ...(ofSystem ? checkBrowser(ofSystem, context) : [])]
    if (findings.length > 0) return findings
    return [ok(NAME, set || ofSystem ? 'Set, and the LAN and the cloud go past it.' : 'None is set; none is needed.')]
  },
}

interface VariableProxy extends SystemProxy {
  readonly variable: string
}

function fromVariables(variables: Readonly<Record<string, string | undefined>>): VariableProxy | null {
  for (const variable of ['HTTPS_PROXY', 'HTTP_PROXY', 'ALL_PROXY']) {
    for (const name of [variable, variable.toLowerCase()]) {
      const address = variables[name]
      if (address)
        return { variable: name, address, except: (variables['NO_PROXY'] ?? variables['no_proxy'] ?? '').split(/[,\s]+/).filter(Boolean) }
    }
  }
  return null
}

async function checkVariables(proxy: VariableProxy, { cloud, machine }: CheckContext): Promise<Finding[]> {
  const findings: Finding[] = []
  if (cloud && !goesPast(cloud.hostname, proxy.except)) {
    // The agent's own way, straight: what counts is whether that works.
    const reason = await askDate(cloud, { timeoutMs: 4_000, anyCertificate: true }).then(() => null, reasonOf)
    if (reason !== null)
      findings.push(
        warn(
          NAME,
          `${proxy.variable} is ${withoutPassword(proxy.address)}, but the agent goes to ${cloud.host} straight, and that does not work (${reason}).`,
          `Let this machine out to ${cloud.hostname} port ${cloud.port || (cloud.protocol === 'https:' ? 443 : 80)} in the network’s firewall.`,
        ),
      )
  }
  const lan = missed(proxy.except)
  if (lan.length > 0)
    findings.push(
      warn(
        NAME,
        `${proxy.variable} is set, and ${lan.join(', ')} is not in NO_PROXY: curl and other programs would ask the proxy for this LAN’s machines.`,
        machine.platform === 'win32'
          ? `setx NO_PROXY "${[...proxy.except, 'localhost', '.local', ...lan].join(',')}"`
          : `export NO_PROXY='${[...proxy.except, 'localhost', '.local', ...lan].join(',')}' (in ~/.profile to keep it)`,
      ),
    )
  return findings
}

function checkBrowser(proxy: SystemProxy, { machine }: CheckContext): Finding[] {
  const lan = missed(proxy.except)
  if (lan.length === 0) return []
  const list = [...proxy.except, '*.local', ...lan]
  return [
    warn(
      NAME,
      `Browsers here use the proxy ${withoutPassword(proxy.address)} for ${lan.join(', ')} too: the consoles of other machines would not open.`,
      machine.platform === 'win32'
        ? String.raw`reg add "HKCU\Software\Microsoft\Windows\CurrentVersion\Internet Settings" /v ProxyOverride /t REG_SZ /d "${[...new Set([...list, '<local>'])].join(';')}" /f`
        : `networksetup -setproxybypassdomains Wi-Fi ${list.map((entry) => `'${entry}'`).join(' ')}`,
    ),
  ]
}

/** Addresses of this machine's LAN that would go through a proxy with these exceptions; at most three. */
function missed(except: readonly string[]): string[] {
  const addresses = lanAddresses(localInterfaces(), null).filter((address) => !address.includes(':'))
  return addresses.filter((address) => !goesPast(address, except)).slice(0, 3)
}

async function systemProxy({ machine }: CheckContext): Promise<SystemProxy | null> {
  if (machine.platform === 'darwin') return parseScutilProxy((await machine.run('/usr/sbin/scutil', ['--proxy'])).stdout)
  if (machine.platform !== 'win32') return null
  const settings = await machine.run('reg', ['query', String.raw`HKCU\Software\Microsoft\Windows\CurrentVersion\Internet Settings`])
  return parseInternetSettings(parseRegQuery(settings.stdout))
}

const withoutPassword = (address: string) => address.replace(/\/\/[^@/]*@/, '//')
