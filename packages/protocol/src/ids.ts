import * as z from 'zod/mini'

/** Lower-case hex SHA-256 of a blob's bytes: the blob's name everywhere. */
export const Sha256Hex = z.string().check(z.regex(/^[0-9a-f]{64}$/, 'a SHA-256 is 64 lower-case hex digits'))
export type Sha256Hex = z.infer<typeof Sha256Hex>

/** A node's name in its ring: by default `<hostname>-<6 hex of the key's hash>`. */
export const NodeId = z.string().check(z.regex(/^[a-z0-9][a-z0-9-]{0,62}$/, 'a node id is 1–63 of a–z, 0–9 and -'))
export type NodeId = z.infer<typeof NodeId>

export const ClusterId = z.uuid()
export type ClusterId = z.infer<typeof ClusterId>

/** Raw 32-byte Ed25519 public key, base64url without padding (43 characters). */
export const PublicKey = z.string().check(z.regex(/^[A-Za-z0-9_-]{43}$/, 'a public key is 43 base64url characters'))
export type PublicKey = z.infer<typeof PublicKey>

/** 64-byte Ed25519 signature, base64url without padding (86 characters). */
export const Signature = z.string().check(z.regex(/^[A-Za-z0-9_-]{86}$/, 'a signature is 86 base64url characters'))
export type Signature = z.infer<typeof Signature>

/** 16 or more random bytes, base64url. */
export const Nonce = z.string().check(z.regex(/^[A-Za-z0-9_-]{22,64}$/, 'a nonce is 22–64 base64url characters'))
export type Nonce = z.infer<typeof Nonce>

/** Stable id of a video source on a node: bus path and serial, never an index. */
export const CameraId = z.string().check(z.regex(/^[A-Za-z0-9][A-Za-z0-9._:@-]{0,127}$/, 'not a camera id'))
export type CameraId = z.infer<typeof CameraId>

export const UnixMs = z.number().check(z.int(), z.nonnegative())
export const Bytes = z.number().check(z.int(), z.nonnegative())
