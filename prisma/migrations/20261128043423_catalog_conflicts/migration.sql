-- AlterTable
ALTER TABLE "catalog_captures" ADD COLUMN     "endedHlc" TEXT NOT NULL DEFAULT '',
ADD COLUMN     "startedHlc" TEXT NOT NULL DEFAULT '';

-- AlterTable
ALTER TABLE "catalog_fields" ADD COLUMN     "alsoReplaces" TEXT[] DEFAULT ARRAY[]::TEXT[];

-- CreateTable
CREATE TABLE "catalog_conflicts" (
    "opId" TEXT NOT NULL,
    "subject" TEXT NOT NULL,
    "noun" TEXT NOT NULL,
    "field" TEXT NOT NULL,
    "value" JSONB NOT NULL,
    "hlc" TEXT NOT NULL,

    CONSTRAINT "catalog_conflicts_pkey" PRIMARY KEY ("opId")
);

-- CreateIndex
CREATE INDEX "catalog_conflicts_subject_noun_field_idx" ON "catalog_conflicts"("subject", "noun", "field");

-- What stands in conflict was not kept until now: the catalog is made again from the feed.
DELETE FROM "catalog_cursor";
