-- What an exercise is done with.

-- One kind of equipment, such as free weights, or a narrower kind of one.
CREATE TABLE equipment_categories (
    id                text PRIMARY KEY CHECK (id <> '' AND id = btrim(id)),
    -- The wider kind. A check sees only its own row: this one refuses the shortest circle.
    parent_id         text CONSTRAINT equipment_categories_not_its_own_parent CHECK (parent_id <> id)
        REFERENCES equipment_categories ON UPDATE CASCADE ON DELETE RESTRICT,
    label             text NOT NULL,
    common_names      jsonb NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(common_names) = 'array'),
    short_description text,
    icon              text,
    sort_order        integer NOT NULL DEFAULT 0,
    is_active         boolean NOT NULL DEFAULT true,
    source_type       text NOT NULL DEFAULT 'seed' CHECK (source_type IN ('seed', 'admin'))
);
CREATE INDEX equipment_categories_active ON equipment_categories (sort_order, id COLLATE "C") WHERE is_active;
CREATE INDEX equipment_categories_parent_id ON equipment_categories (parent_id);

-- One piece of equipment.
CREATE TABLE equipment (
    id                   text PRIMARY KEY CHECK (id <> '' AND id = btrim(id)),
    -- Where a user finds it.
    category_id          text
        REFERENCES equipment_categories ON UPDATE CASCADE ON DELETE RESTRICT,
    label                text NOT NULL,
    common_names         jsonb NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(common_names) = 'array'),
    short_description    text,
    -- Hangs on other equipment, as a rope on a cable.
    is_attachment        boolean NOT NULL DEFAULT false,
    -- Is of no use without one.
    requires_attachment  boolean NOT NULL DEFAULT false,
    -- How many a person uses at once: two dumbbells, one barbell.
    max_instances        integer NOT NULL DEFAULT 1 CHECK (max_instances >= 1),
    -- The only rows of other tables that fit it, by table: {"grips": ["NEUTRAL"]}.
    modifier_constraints jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(modifier_constraints) = 'object'),
    icon                 text,
    sort_order           integer NOT NULL DEFAULT 0,
    is_active            boolean NOT NULL DEFAULT true,
    source_type          text NOT NULL DEFAULT 'seed' CHECK (source_type IN ('seed', 'admin'))
);
CREATE INDEX equipment_active ON equipment (sort_order, id COLLATE "C") WHERE is_active;
CREATE INDEX equipment_category_id ON equipment (category_id);

-- One picture, as the text of an SVG. The source file is a map from the equipment's id to the picture:
-- a row has no label of its own there.
CREATE TABLE equipment_icons (
    id                text PRIMARY KEY CHECK (id <> '' AND id = btrim(id)),
    -- What it shows; null for a picture that stands for no single piece.
    equipment_id      text
        REFERENCES equipment ON UPDATE CASCADE ON DELETE RESTRICT,
    label             text,
    common_names      jsonb NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(common_names) = 'array'),
    short_description text,
    value             text NOT NULL,
    icon              text,
    sort_order        integer NOT NULL DEFAULT 0,
    is_active         boolean NOT NULL DEFAULT true,
    source_type       text NOT NULL DEFAULT 'seed' CHECK (source_type IN ('seed', 'admin'))
);
CREATE INDEX equipment_icons_active ON equipment_icons (sort_order, id COLLATE "C") WHERE is_active;
CREATE INDEX equipment_icons_equipment_id ON equipment_icons (equipment_id);
