-- DropIndex
DROP INDEX "audit_events_organisationId_at_idx";

-- CreateIndex
CREATE INDEX "audit_events_organisationId_id_idx" ON "audit_events"("organisationId", "id");

-- CreateIndex
CREATE INDEX "audit_events_at_idx" ON "audit_events"("at");
