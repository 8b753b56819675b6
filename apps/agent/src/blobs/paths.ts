import type { Sha256Hex } from '@thatdam/protocol/ids'

/* Of the node API. Below the first are whole blobs of a store, below the second originals in their folders, by the name of their asset. */
export const BLOBS_PATH = '/v1/blobs/'
export const ORIGINALS_PATH = '/v1/originals/'

export const blobPath = (sha256: Sha256Hex): string => `${BLOBS_PATH}${sha256}`
export const originalPath = (sha256: Sha256Hex): string => `${ORIGINALS_PATH}${sha256}`
