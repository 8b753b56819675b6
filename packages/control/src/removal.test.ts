import { expect, test } from 'vitest'
import { generateKey } from './keys.ts'
import { meaningOfRemoving, meaningOfRetiring } from './removal.ts'
import { nameOwnerKey, raise } from './roster-edit.ts'
import { TestRing } from './testing/ring.ts'

test('a ring is not left without a machine that may admit others', () => {
  const founder = generateKey()
  const ring = TestRing.found(founder)
  expect(meaningOfRetiring(ring.roster, 'founder').refusal).toContain('only machine')
  ring.join(founder, 'pi')
  expect(meaningOfRetiring(ring.roster, 'founder').refusal).toContain('only machine that may admit others')
  expect(meaningOfRemoving(ring.roster, 'founder').refusal).toContain('there is no recovery key')
  expect(meaningOfRemoving(ring.roster, 'pi')).toMatchObject({ refusal: null })
  expect(meaningOfRemoving(ring.roster, 'mac').refusal).toContain('no machine mac')
  const withKey = ring.copy()
  withKey.take(nameOwnerKey(withKey.desk(founder), generateKey().publicKey))
  expect([meaningOfRemoving(withKey.roster, 'founder').refusal, meaningOfRetiring(withKey.roster, 'founder').refusal === null]).toEqual([
    null,
    false,
  ])
  ring.take(raise(ring.desk(founder), 'pi'))
  expect([meaningOfRetiring(ring.roster, 'founder').refusal, meaningOfRemoving(ring.roster, 'founder').refusal]).toEqual([null, null])
  expect(meaningOfRemoving(ring.roster, 'pi').means.join(' ')).toContain('Machines that pi admitted')
  for (const means of [meaningOfRemoving(ring.roster, 'pi').means, meaningOfRetiring(ring.roster, 'pi').means]) {
    for (const sentence of means) expect(sentence).toMatch(/\.$/)
  }
})
