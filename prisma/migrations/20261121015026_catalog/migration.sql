-- CreateTable
CREATE TABLE "catalog_assets" (
    "id" TEXT NOT NULL,
    "kind" TEXT NOT NULL,
    "title" TEXT NOT NULL,
    "ingestedTitle" TEXT NOT NULL,
    "ingestedHlc" TEXT NOT NULL,
    "note" TEXT NOT NULL DEFAULT '',
    "rating" INTEGER NOT NULL DEFAULT 0,
    "trashed" BOOLEAN NOT NULL DEFAULT false,
    "trashedAtMs" BIGINT,
    "sizeBytes" BIGINT NOT NULL,
    "origin" TEXT NOT NULL,
    "media" JSONB NOT NULL,
    "cameraModel" TEXT,
    "captureId" TEXT,
    "captureCameraId" TEXT,
    "captureStartedMs" BIGINT,
    "captureEndedMs" BIGINT,
    "sortMs" BIGINT NOT NULL,
    "words" TEXT[] NOT NULL DEFAULT '{}',
    "search" tsvector GENERATED ALWAYS AS (array_to_tsvector("words")) STORED,

    CONSTRAINT "catalog_assets_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "catalog_locations" (
    "key" TEXT NOT NULL,
    "assetId" TEXT NOT NULL,
    "nodeId" TEXT NOT NULL,
    "root" TEXT NOT NULL,
    "pathEncoding" TEXT NOT NULL,
    "path" TEXT NOT NULL,
    "sizeBytes" BIGINT NOT NULL,
    "modifiedAtMs" DOUBLE PRECISION NOT NULL,
    "gone" BOOLEAN NOT NULL,
    "hlc" TEXT NOT NULL,

    CONSTRAINT "catalog_locations_pkey" PRIMARY KEY ("key")
);

-- CreateTable
CREATE TABLE "catalog_blobs" (
    "sha256" TEXT NOT NULL,
    "nodeId" TEXT NOT NULL,
    "sizeBytes" BIGINT NOT NULL,

    CONSTRAINT "catalog_blobs_pkey" PRIMARY KEY ("sha256","nodeId")
);

-- CreateTable
CREATE TABLE "catalog_derivatives" (
    "sourceSha256" TEXT NOT NULL,
    "recipeHash" TEXT NOT NULL,
    "recipe" TEXT NOT NULL,
    "made" BOOLEAN NOT NULL,
    "sha256" TEXT,
    "sizeBytes" BIGINT,
    "mimeType" TEXT,
    "width" INTEGER,
    "height" INTEGER,
    "reason" TEXT NOT NULL DEFAULT '',
    "hlc" TEXT NOT NULL,

    CONSTRAINT "catalog_derivatives_pkey" PRIMARY KEY ("sourceSha256","recipeHash")
);

-- CreateTable
CREATE TABLE "catalog_fields" (
    "subject" TEXT NOT NULL,
    "noun" TEXT NOT NULL,
    "field" TEXT NOT NULL,
    "value" JSONB NOT NULL,
    "hlc" TEXT NOT NULL,
    "opId" TEXT NOT NULL,
    "replaces" TEXT,

    CONSTRAINT "catalog_fields_pkey" PRIMARY KEY ("noun","subject","field")
);

-- CreateTable
CREATE TABLE "catalog_cameras" (
    "id" TEXT NOT NULL,
    "nodeId" TEXT NOT NULL,
    "seenName" TEXT NOT NULL,
    "kind" TEXT NOT NULL,
    "hlc" TEXT NOT NULL,

    CONSTRAINT "catalog_cameras_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "catalog_captures" (
    "id" TEXT NOT NULL,
    "cameraId" TEXT NOT NULL,
    "startedAtMs" BIGINT,
    "endedAtMs" BIGINT,
    "reason" TEXT,

    CONSTRAINT "catalog_captures_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "catalog_capture_gaps" (
    "opId" TEXT NOT NULL,
    "captureId" TEXT NOT NULL,
    "fromMs" BIGINT NOT NULL,
    "toMs" BIGINT NOT NULL,

    CONSTRAINT "catalog_capture_gaps_pkey" PRIMARY KEY ("opId")
);

-- CreateTable
CREATE TABLE "catalog_cursor" (
    "id" INTEGER NOT NULL,
    "feedId" TEXT NOT NULL,
    "position" BIGINT NOT NULL,

    CONSTRAINT "catalog_cursor_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE INDEX "catalog_assets_trashed_sortMs_id_idx" ON "catalog_assets"("trashed", "sortMs" DESC, "id" DESC);

-- CreateIndex
CREATE INDEX "catalog_assets_search_idx" ON "catalog_assets" USING GIN ("search");

-- CreateIndex
CREATE INDEX "catalog_assets_cameraModel_idx" ON "catalog_assets"("cameraModel");

-- CreateIndex
CREATE INDEX "catalog_locations_assetId_idx" ON "catalog_locations"("assetId");

-- CreateIndex
CREATE INDEX "catalog_captures_cameraId_idx" ON "catalog_captures"("cameraId");

-- CreateIndex
CREATE INDEX "catalog_capture_gaps_captureId_idx" ON "catalog_capture_gaps"("captureId");
