/**
 * Recipes of derivatives. The hash of a recipe's canonical JSON is part of a derivative's key: change the recipe, and it is made again.
 * `long` is the longer edge in pixels; a smaller source is not enlarged.
 */
export const RECIPES = {
  'thumb-320': { version: 1, long: 320, format: 'webp', quality: 78 },
  'thumb-1280': { version: 1, long: 1280, format: 'webp', quality: 82 },
} as const
export type RecipeName = keyof typeof RECIPES
