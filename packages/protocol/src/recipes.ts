/** Previews. `long` is the longer edge in pixels; a smaller source is not enlarged. */
export const PREVIEWS = {
  'thumb-320': { version: 1, long: 320, format: 'webp', quality: 78 },
  'thumb-1280': { version: 1, long: 1280, format: 'webp', quality: 82 },
} as const
export type PreviewName = keyof typeof PREVIEWS

/**
 * What is made of a source: its previews, and `media-info`, what the file says of itself, wanted where `isUnread` (ops.ts). The hash of a recipe's
 * canonical JSON is part of a derivative's key: change the recipe, and it is made again.
 */
export const RECIPES = { ...PREVIEWS, 'media-info': { version: 1, readers: ['ffprobe', 'exiftool'] } } as const
export type RecipeName = keyof typeof RECIPES
