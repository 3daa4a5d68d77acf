CREATE TABLE grips (id text PRIMARY KEY, rules jsonb, kept jsonb);
