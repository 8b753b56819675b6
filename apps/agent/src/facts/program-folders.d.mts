export function usualFolders(
  platform: NodeJS.Platform,
  environment: Readonly<Record<string, string | undefined>>,
  list?: (folder: string) => string[],
): string[]
