-- +goose Up

-- Noted by a salvage: the chain behind it may be one that the salvage began anew.
ALTER TABLE hole ADD COLUMN loose INTEGER NOT NULL DEFAULT 0 CHECK (loose IN (0, 1));

-- +goose Down
