// Made by `publisher types` from the tables of the database. To change it, change the tables.

/** Any JSON value: what columns of type json and jsonb hold. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/** The rows of each table, by table key. */
export interface ReferenceTables {
  /** `cardio_types`, by id. */
  cardioTypes: {
    /** text? */
    readonly category_id: string | null;
    /** jsonb */
    readonly common_names: Json;
    /** text? */
    readonly icon: string | null;
    /** text */
    readonly id: string;
    /** boolean */
    readonly is_active: boolean;
    /** text */
    readonly label: string;
    /** text? */
    readonly short_description: string | null;
    /** integer */
    readonly sort_order: number;
    /** text? */
    readonly technical_name: string | null;
  };
  /** `elbow_relationship`, by id. */
  elbowRelationship: {
    /** jsonb */
    readonly common_names: Json;
    /** jsonb */
    readonly delta_rules: Json;
    /** text? */
    readonly icon: string | null;
    /** text */
    readonly id: string;
    /** boolean */
    readonly is_active: boolean;
    /** text */
    readonly label: string;
    /** text? */
    readonly short_description: string | null;
    /** integer */
    readonly sort_order: number;
  };
  /** `equipment`, by id. */
  equipment: {
    /** text? */
    readonly category_id: string | null;
    /** jsonb */
    readonly common_names: Json;
    /** text? */
    readonly icon: string | null;
    /** text */
    readonly id: string;
    /** boolean */
    readonly is_active: boolean;
    /** boolean */
    readonly is_attachment: boolean;
    /** text */
    readonly label: string;
    /** integer */
    readonly max_instances: number;
    /** jsonb */
    readonly modifier_constraints: Json;
    /** boolean */
    readonly requires_attachment: boolean;
    /** text? */
    readonly short_description: string | null;
    /** integer */
    readonly sort_order: number;
  };
  /** `equipment_categories`, by id. */
  equipmentCategories: {
    /** jsonb */
    readonly common_names: Json;
    /** text? */
    readonly icon: string | null;
    /** text */
    readonly id: string;
    /** boolean */
    readonly is_active: boolean;
    /** text */
    readonly label: string;
    /** text? */
    readonly parent_id: string | null;
    /** text? */
    readonly short_description: string | null;
    /** integer */
    readonly sort_order: number;
  };
  /** `equipment_icons`, by id. */
  equipmentIcons: {
    /** jsonb */
    readonly common_names: Json;
    /** text? */
    readonly equipment_id: string | null;
    /** text? */
    readonly icon: string | null;
    /** text */
    readonly id: string;
    /** boolean */
    readonly is_active: boolean;
    /** text? */
    readonly label: string | null;
    /** text? */
    readonly short_description: string | null;
    /** integer */
    readonly sort_order: number;
    /** text */
    readonly value: string;
  };
  /** `execution_styles`, by id. */
  executionStyles: {
    /** jsonb */
    readonly common_names: Json;
    /** jsonb */
    readonly delta_rules: Json;
    /** text? */
    readonly icon: string | null;
    /** text */
    readonly id: string;
    /** boolean */
    readonly is_active: boolean;
    /** text */
    readonly label: string;
    /** text? */
    readonly short_description: string | null;
    /** integer */
    readonly sort_order: number;
  };
  /** `exercise_categories`, by id. */
  exerciseCategories: {
    /** jsonb */
    readonly common_names: Json;
    /** jsonb */
    readonly exercise_input_permissions: Json;
    /** text? */
    readonly icon: string | null;
    /** text */
    readonly id: string;
    /** boolean */
    readonly is_active: boolean;
    /** text */
    readonly label: string;
    /** text? */
    readonly short_description: string | null;
    /** integer */
    readonly sort_order: number;
    /** text? */
    readonly technical_name: string | null;
  };
  /** `foot_positions`, by id. */
  footPositions: {
    /** jsonb */
    readonly common_names: Json;
    /** jsonb */
    readonly delta_rules: Json;
    /** text? */
    readonly icon: string | null;
    /** text */
    readonly id: string;
    /** boolean */
    readonly is_active: boolean;
    /** text */
    readonly label: string;
    /** text? */
    readonly short_description: string | null;
    /** integer */
    readonly sort_order: number;
  };
  /** `grip_widths`, by id. */
  gripWidths: {
    /** jsonb */
    readonly common_names: Json;
    /** jsonb */
    readonly delta_rules: Json;
    /** text? */
    readonly icon: string | null;
    /** text */
    readonly id: string;
    /** boolean */
    readonly is_active: boolean;
    /** text */
    readonly label: string;
    /** text? */
    readonly short_description: string | null;
    /** integer */
    readonly sort_order: number;
  };
  /** `grips`, by id. */
  grips: {
    /** jsonb */
    readonly common_names: Json;
    /** jsonb */
    readonly delta_rules: Json;
    /** text? */
    readonly grip_category: string | null;
    /** text? */
    readonly icon: string | null;
    /** text */
    readonly id: string;
    /** boolean */
    readonly is_active: boolean;
    /** boolean */
    readonly is_dynamic: boolean;
    /** text */
    readonly label: string;
    /** text? */
    readonly parent_id: string | null;
    /** jsonb? */
    readonly rotation_path: Json;
    /** text? */
    readonly short_description: string | null;
    /** integer */
    readonly sort_order: number;
  };
  /** `load_placement`, by id. */
  loadPlacement: {
    /** boolean */
    readonly allows_secondary: boolean;
    /** jsonb */
    readonly common_names: Json;
    /** jsonb */
    readonly delta_rules: Json;
    /** text? */
    readonly icon: string | null;
    /** text */
    readonly id: string;
    /** boolean */
    readonly is_active: boolean;
    /** boolean */
    readonly is_valid_secondary: boolean;
    /** text */
    readonly label: string;
    /** text? */
    readonly load_category: string | null;
    /** text? */
    readonly short_description: string | null;
    /** integer */
    readonly sort_order: number;
  };
  /** `loading_aids`, by id. */
  loadingAids: {
    /** jsonb */
    readonly common_names: Json;
    /** jsonb */
    readonly delta_rules: Json;
    /** text? */
    readonly icon: string | null;
    /** text */
    readonly id: string;
    /** boolean */
    readonly is_active: boolean;
    /** text */
    readonly label: string;
    /** text? */
    readonly short_description: string | null;
    /** integer */
    readonly sort_order: number;
  };
  /** `motion_paths`, by id. */
  motionPaths: {
    /** jsonb */
    readonly common_names: Json;
    /** jsonb */
    readonly delta_rules: Json;
    /** text? */
    readonly icon: string | null;
    /** text */
    readonly id: string;
    /** boolean */
    readonly is_active: boolean;
    /** text */
    readonly label: string;
    /** text? */
    readonly motion_id: string | null;
    /** text? */
    readonly short_description: string | null;
    /** integer */
    readonly sort_order: number;
  };
  /** `motions`, by id. */
  motions: {
    /** jsonb */
    readonly common_names: Json;
    /** jsonb? */
    readonly default_delta_configs: Json;
    /** text? */
    readonly icon: string | null;
    /** text */
    readonly id: string;
    /** boolean */
    readonly is_active: boolean;
    /** text */
    readonly label: string;
    /** jsonb */
    readonly muscle_targets: Json;
    /** text? */
    readonly parent_id: string | null;
    /** text? */
    readonly short_description: string | null;
    /** integer */
    readonly sort_order: number;
    /** jsonb? */
    readonly upper_lower: Json;
  };
  /** `muscles`, by id. */
  muscles: {
    /** text? */
    readonly category_id: string | null;
    /** jsonb */
    readonly common_names: Json;
    /** text? */
    readonly function: string | null;
    /** text? */
    readonly icon: string | null;
    /** text */
    readonly id: string;
    /** boolean */
    readonly is_active: boolean;
    /** text */
    readonly label: string;
    /** text? */
    readonly location: string | null;
    /** jsonb */
    readonly parent_ids: Json;
    /** text? */
    readonly short_description: string | null;
    /** integer */
    readonly sort_order: number;
    /** text? */
    readonly technical_name: string | null;
    /** text? */
    readonly triggers: string | null;
    /** jsonb? */
    readonly upper_lower: Json;
  };
  /** `range_of_motion`, by id. */
  rangeOfMotion: {
    /** jsonb */
    readonly common_names: Json;
    /** jsonb */
    readonly delta_rules: Json;
    /** text? */
    readonly icon: string | null;
    /** text */
    readonly id: string;
    /** boolean */
    readonly is_active: boolean;
    /** text */
    readonly label: string;
    /** text? */
    readonly short_description: string | null;
    /** integer */
    readonly sort_order: number;
  };
  /** `resistance_origin`, by id. */
  resistanceOrigin: {
    /** jsonb */
    readonly common_names: Json;
    /** jsonb */
    readonly delta_rules: Json;
    /** text? */
    readonly icon: string | null;
    /** text */
    readonly id: string;
    /** boolean */
    readonly is_active: boolean;
    /** text */
    readonly label: string;
    /** text? */
    readonly short_description: string | null;
    /** integer */
    readonly sort_order: number;
  };
  /** `stance_types`, by id. */
  stanceTypes: {
    /** jsonb */
    readonly common_names: Json;
    /** jsonb */
    readonly delta_rules: Json;
    /** text? */
    readonly icon: string | null;
    /** text */
    readonly id: string;
    /** boolean */
    readonly is_active: boolean;
    /** text */
    readonly label: string;
    /** text? */
    readonly short_description: string | null;
    /** integer */
    readonly sort_order: number;
  };
  /** `stance_widths`, by id. */
  stanceWidths: {
    /** jsonb */
    readonly common_names: Json;
    /** jsonb */
    readonly delta_rules: Json;
    /** text? */
    readonly icon: string | null;
    /** text */
    readonly id: string;
    /** boolean */
    readonly is_active: boolean;
    /** text */
    readonly label: string;
    /** text? */
    readonly short_description: string | null;
    /** integer */
    readonly sort_order: number;
  };
  /** `support_structures`, by id. */
  supportStructures: {
    /** jsonb */
    readonly common_names: Json;
    /** jsonb */
    readonly delta_rules: Json;
    /** text? */
    readonly icon: string | null;
    /** text */
    readonly id: string;
    /** boolean */
    readonly is_active: boolean;
    /** text */
    readonly label: string;
    /** text? */
    readonly short_description: string | null;
    /** integer */
    readonly sort_order: number;
  };
  /** `torso_angles`, by id. */
  torsoAngles: {
    /** boolean */
    readonly allow_torso_orientations: boolean;
    /** jsonb? */
    readonly angle_range: Json;
    /** jsonb */
    readonly common_names: Json;
    /** jsonb */
    readonly delta_rules: Json;
    /** text? */
    readonly icon: string | null;
    /** text */
    readonly id: string;
    /** boolean */
    readonly is_active: boolean;
    /** text */
    readonly label: string;
    /** text? */
    readonly short_description: string | null;
    /** integer */
    readonly sort_order: number;
  };
  /** `torso_orientations`, by id. */
  torsoOrientations: {
    /** jsonb */
    readonly common_names: Json;
    /** jsonb */
    readonly delta_rules: Json;
    /** text? */
    readonly icon: string | null;
    /** text */
    readonly id: string;
    /** boolean */
    readonly is_active: boolean;
    /** text */
    readonly label: string;
    /** text? */
    readonly short_description: string | null;
    /** integer */
    readonly sort_order: number;
  };
  /** `training_focus`, by id. */
  trainingFocus: {
    /** text? */
    readonly category_id: string | null;
    /** jsonb */
    readonly common_names: Json;
    /** text? */
    readonly icon: string | null;
    /** text */
    readonly id: string;
    /** boolean */
    readonly is_active: boolean;
    /** text */
    readonly label: string;
    /** text? */
    readonly short_description: string | null;
    /** integer */
    readonly sort_order: number;
    /** text? */
    readonly technical_name: string | null;
  };
}

/** A row of a table. */
export type Row<K extends keyof ReferenceTables> = ReferenceTables[K];

/** The shape that these types were made from: each table's `schemaFingerprint` in the manifest. */
export const SCHEMA_FINGERPRINTS: { readonly [K in keyof ReferenceTables]: string } = {
  cardioTypes: '2d9bb1e09b2927c7',
  elbowRelationship: '36ea41f44398c304',
  equipment: 'e09452ac2c9b62d8',
  equipmentCategories: 'eb566c62a66cf5c7',
  equipmentIcons: '5137868821e00bb6',
  executionStyles: '36ea41f44398c304',
  exerciseCategories: '7f7fbb0f346b4b0c',
  footPositions: '36ea41f44398c304',
  gripWidths: '36ea41f44398c304',
  grips: 'e327cb3ef23acd7e',
  loadPlacement: '2ee880ad26e51e41',
  loadingAids: '36ea41f44398c304',
  motionPaths: '3c1d1490052314ea',
  motions: '6498c68379f9bb1e',
  muscles: '3314cbc6b0b250e4',
  rangeOfMotion: '36ea41f44398c304',
  resistanceOrigin: '36ea41f44398c304',
  stanceTypes: '36ea41f44398c304',
  stanceWidths: '36ea41f44398c304',
  supportStructures: '36ea41f44398c304',
  torsoAngles: '22b78b5191ffa24f',
  torsoOrientations: '36ea41f44398c304',
  trainingFocus: '2d9bb1e09b2927c7',
};
