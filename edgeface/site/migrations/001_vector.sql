-- Similarity search; the owner of the database may create it (it is a trusted extension).
CREATE EXTENSION IF NOT EXISTS vector;
