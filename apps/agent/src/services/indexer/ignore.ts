/** Folders that hold no one's media: trash, snapshots and thumbnails of systems and NAS boxes, developers' and programs' folders. */
const IGNORED_FOLDERS = new Set([
  '$recycle.bin',
  'system volume information',
  'lost+found',
  'recycler',
  '@eadir',
  '@__thumb',
  '@recycle',
  '@recently-snapshot',
  '#recycle',
  '#snapshot',
  '__macosx',
  'node_modules',
  'found.000',
])
/** Programs and previews that look like folders. */
const IGNORED_BUNDLES = /\.(app|framework|bundle|plugin|kext|xcodeproj|lrdata|lrcat-data|cocatalogdb|thumbnails|dvdmedia-cache)$/
const PHOTO_LIBRARY = /\.(photoslibrary|photolibrary|aplibrary|migratedphotolibrary)$/
const IGNORED_FILES = new Set(['thumbs.db', 'desktop.ini', 'icon\r'])

/** True for a folder that is not walked into. `parent` is the name of the folder it lies in. */
export function isIgnoredFolder(name: string, parent: string): boolean {
  const lower = name.toLowerCase()
  if (lower.startsWith('.') || IGNORED_FOLDERS.has(lower) || IGNORED_BUNDLES.test(lower)) return true
  // A photo library of macOS: its originals, and none of its previews and databases.
  return PHOTO_LIBRARY.test(parent.toLowerCase()) && lower !== 'originals' && lower !== 'masters'
}

/** Hidden files, resource forks (`._x`) and what downloads and editors have not finished. */
export function isIgnoredFile(name: string): boolean {
  const lower = name.toLowerCase()
  return lower.startsWith('.') || IGNORED_FILES.has(lower) || /\.(part|crdownload|partial|tmp|download)$/.test(lower)
}
