-- AlterTable
ALTER TABLE "catalog_fields" DROP CONSTRAINT "catalog_fields_pkey",
ADD CONSTRAINT "catalog_fields_pkey" PRIMARY KEY ("opId");

-- CreateIndex
CREATE INDEX "catalog_fields_subject_noun_field_idx" ON "catalog_fields"("subject", "noun", "field");

-- Until now only the winning edits were kept: the catalog is made again from the feed.
DELETE FROM "catalog_cursor";
