-- Where the load sits, where it pulls from, and what helps to bear it.

-- One place where the load sits.
CREATE TABLE load_placement (
    id                 text PRIMARY KEY CHECK (id <> '' AND id = btrim(id)),
    label              text NOT NULL,
    common_names       jsonb NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(common_names) = 'array'),
    short_description  text,
    load_category      text,
    -- A second load may be added elsewhere.
    allows_secondary   boolean NOT NULL DEFAULT false,
    -- It may itself be that second load.
    is_valid_secondary boolean NOT NULL DEFAULT false,
    delta_rules        jsonb NOT NULL DEFAULT '{}'
        CHECK (jsonb_typeof(delta_rules) = 'object' OR delta_rules = '[]'),
    icon               text,
    sort_order         integer NOT NULL DEFAULT 0,
    is_active          boolean NOT NULL DEFAULT true,
    source_type        text NOT NULL DEFAULT 'seed' CHECK (source_type IN ('seed', 'admin'))
);
CREATE INDEX load_placement_active ON load_placement (sort_order, id COLLATE "C") WHERE is_active;

-- One height or direction from which the resistance pulls.
CREATE TABLE resistance_origin (
    id                text PRIMARY KEY CHECK (id <> '' AND id = btrim(id)),
    label             text NOT NULL,
    common_names      jsonb NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(common_names) = 'array'),
    short_description text,
    delta_rules       jsonb NOT NULL DEFAULT '{}'
        CHECK (jsonb_typeof(delta_rules) = 'object' OR delta_rules = '[]'),
    icon              text,
    sort_order        integer NOT NULL DEFAULT 0,
    is_active         boolean NOT NULL DEFAULT true,
    source_type       text NOT NULL DEFAULT 'seed' CHECK (source_type IN ('seed', 'admin'))
);
CREATE INDEX resistance_origin_active ON resistance_origin (sort_order, id COLLATE "C") WHERE is_active;

-- One thing worn or used that helps to bear the load.
CREATE TABLE loading_aids (
    id                text PRIMARY KEY CHECK (id <> '' AND id = btrim(id)),
    label             text NOT NULL,
    common_names      jsonb NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(common_names) = 'array'),
    short_description text,
    delta_rules       jsonb NOT NULL DEFAULT '{}'
        CHECK (jsonb_typeof(delta_rules) = 'object' OR delta_rules = '[]'),
    icon              text,
    sort_order        integer NOT NULL DEFAULT 0,
    is_active         boolean NOT NULL DEFAULT true,
    source_type       text NOT NULL DEFAULT 'seed' CHECK (source_type IN ('seed', 'admin'))
);
CREATE INDEX loading_aids_active ON loading_aids (sort_order, id COLLATE "C") WHERE is_active;
