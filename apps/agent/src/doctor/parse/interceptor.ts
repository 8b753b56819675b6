/** Programs and appliances that open TLS connections to look inside, by words of the certificates that they make. */
const INTERCEPTORS: readonly (readonly [RegExp, string])[] = [
  [/zscaler/i, 'Zscaler'],
  [/netskope|goskope/i, 'Netskope'],
  [/forti(net|gate|guard)/i, 'a FortiGate firewall'],
  [/palo alto/i, 'a Palo Alto firewall'],
  [/check ?point/i, 'a Check Point firewall'],
  [/sophos/i, 'Sophos'],
  [/blue ?coat|symantec web/i, 'a Blue Coat proxy'],
  [/skyhigh|mcafee web/i, 'a Skyhigh proxy'],
  [/cisco umbrella|opendns/i, 'Cisco Umbrella'],
  [/barracuda/i, 'a Barracuda proxy'],
  [/websense|forcepoint/i, 'Forcepoint'],
  [/watchguard/i, 'a WatchGuard firewall'],
  [/sonicwall/i, 'a SonicWall firewall'],
  [/untangle/i, 'an Untangle firewall'],
  [/gateway ca - cloudflare|cloudflare (gateway|zero trust)/i, 'Cloudflare Gateway'],
  [/kaspersky/i, 'Kaspersky'],
  [/avast|avg technologies/i, 'Avast or AVG'],
  [/bitdefender/i, 'Bitdefender'],
  [/\beset\b/i, 'ESET'],
  [/dr\.?web/i, 'Dr.Web'],
  [/adguard/i, 'AdGuard'],
  [/mitmproxy/i, 'mitmproxy'],
  [/fiddler/i, 'Fiddler'],
  [/charles proxy/i, 'Charles'],
  [/portswigger/i, 'Burp'],
  [/proxyman/i, 'Proxyman'],
]

/** Whoever is known to make certificates on the way; null: none of the issuers is such a one. */
export function interceptorOf(issuers: readonly string[]): string | null {
  for (const issuer of issuers) {
    const known = INTERCEPTORS.find(([words]) => words.test(issuer))
    if (known) return known[1]
  }
  return null
}
