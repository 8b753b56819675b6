-- AlterTable
ALTER TABLE "catalog_assets" ADD COLUMN     "ingestedMedia" JSONB;

-- CreateTable
CREATE TABLE "catalog_probes" (
    "assetId" TEXT NOT NULL,
    "kind" TEXT NOT NULL,
    "media" JSONB NOT NULL,
    "hlc" TEXT NOT NULL,

    CONSTRAINT "catalog_probes_pkey" PRIMARY KEY ("assetId")
);
