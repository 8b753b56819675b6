import { PrismaPg } from '@prisma/adapter-pg'
import { PrismaClient } from './generated/client.ts'

export type Database = PrismaClient

/** A Prisma client over at most `connectionsMax` connections (10). The caller ends it with `$disconnect()`. */
export function createClient(url: string, connectionsMax = 10): Database {
  return new PrismaClient({ adapter: new PrismaPg({ connectionString: url, max: connectionsMax, connectionTimeoutMillis: 10_000 }) })
}
