import { createHash } from 'node:crypto'
import { canonicalJson } from '@thatdam/protocol/canonical'
import { PREVIEWS, RECIPES, type PreviewName, type RecipeName } from '@thatdam/protocol/recipes'

/** The previews come first. */
export const RECIPE_NAMES = Object.keys(RECIPES) as RecipeName[]
const PREVIEW_NAMES = Object.keys(PREVIEWS) as PreviewName[]

/** What is wanted of an asset; `isAssetUnread` as `isUnread` of its op says. */
export const wantedRecipes = (isAssetUnread: boolean): readonly RecipeName[] => (isAssetUnread ? RECIPE_NAMES : PREVIEW_NAMES)

/** SHA-256 of the recipe's canonical JSON: with the source's SHA-256 the key of a derivative. */
export function recipeHash(name: RecipeName): string {
  return createHash('sha256').update(canonicalJson(RECIPES[name])).digest('hex')
}

/** Of all present recipes: with another version of one, other things are missing. */
export const RECIPES_KEY = createHash('sha256').update(RECIPE_NAMES.map(recipeHash).join()).digest('hex')

export function isPreviewName(name: string): name is PreviewName {
  return Object.hasOwn(PREVIEWS, name)
}
