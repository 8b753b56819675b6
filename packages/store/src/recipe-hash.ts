import { createHash } from 'node:crypto'
import { canonicalJson } from '@thatdam/protocol/canonical'
import { RECIPES, type RecipeName } from '@thatdam/protocol/recipes'

export const RECIPE_NAMES = Object.keys(RECIPES) as RecipeName[]

/** SHA-256 of the recipe's canonical JSON: with the source's SHA-256 the key of a derivative. */
export function recipeHash(name: RecipeName): string {
  return createHash('sha256').update(canonicalJson(RECIPES[name])).digest('hex')
}

export function isRecipeName(name: string): name is RecipeName {
  return Object.hasOwn(RECIPES, name)
}
