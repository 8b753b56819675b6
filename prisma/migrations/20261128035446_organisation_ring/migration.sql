-- AlterTable
ALTER TABLE "cloud_nodes" ADD COLUMN     "joinIntent" JSONB,
ADD COLUMN     "ringState" TEXT;

-- AlterTable
ALTER TABLE "organisations" ADD COLUMN     "rendezvous" BOOLEAN NOT NULL DEFAULT false;

-- CreateTable
CREATE TABLE "clusters" (
    "organisationId" UUID NOT NULL,
    "clusterId" TEXT NOT NULL,
    "genesisHash" TEXT NOT NULL,
    "genesis" JSONB NOT NULL,
    "founderKey" TEXT NOT NULL,
    "appointedAt" TIMESTAMPTZ(3) NOT NULL,
    "confirmedAt" TIMESTAMPTZ(3),
    "position" INTEGER NOT NULL DEFAULT 0,
    "digest" TEXT NOT NULL,

    CONSTRAINT "clusters_pkey" PRIMARY KEY ("organisationId")
);

-- CreateTable
CREATE TABLE "cluster_records" (
    "organisationId" UUID NOT NULL,
    "position" INTEGER NOT NULL,
    "recordId" TEXT NOT NULL,
    "record" JSONB NOT NULL,

    CONSTRAINT "cluster_records_pkey" PRIMARY KEY ("organisationId","position")
);

-- CreateTable
CREATE TABLE "rendezvous" (
    "nodeRowId" UUID NOT NULL,
    "organisationId" UUID NOT NULL,
    "announcement" TEXT NOT NULL,
    "leftAt" TIMESTAMPTZ(3) NOT NULL,
    "expiresAt" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "rendezvous_pkey" PRIMARY KEY ("nodeRowId")
);

-- CreateIndex
CREATE UNIQUE INDEX "clusters_genesisHash_key" ON "clusters"("genesisHash");

-- CreateIndex
CREATE UNIQUE INDEX "cluster_records_organisationId_recordId_key" ON "cluster_records"("organisationId", "recordId");

-- CreateIndex
CREATE INDEX "rendezvous_organisationId_leftAt_idx" ON "rendezvous"("organisationId", "leftAt");

-- AddForeignKey
ALTER TABLE "clusters" ADD CONSTRAINT "clusters_organisationId_fkey" FOREIGN KEY ("organisationId") REFERENCES "organisations"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "cluster_records" ADD CONSTRAINT "cluster_records_organisationId_fkey" FOREIGN KEY ("organisationId") REFERENCES "clusters"("organisationId") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "rendezvous" ADD CONSTRAINT "rendezvous_nodeRowId_fkey" FOREIGN KEY ("nodeRowId") REFERENCES "cloud_nodes"("id") ON DELETE CASCADE ON UPDATE CASCADE;
