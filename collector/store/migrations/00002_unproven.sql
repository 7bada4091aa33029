-- +goose Up

-- Casts carved from a damaged terminal that nothing proves: filed, flagged, outside every score.
ALTER TABLE stream ADD COLUMN unproven INTEGER NOT NULL DEFAULT 0;

-- +goose Down
