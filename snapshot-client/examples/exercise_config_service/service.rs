//! A service over the provider: what screens call. None of it knows whether the data is the app's
//! own or the server's; that is the flag's affair, and a flip of it changes no line here or above.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;
use snapshot_client::{Error, ReadOptions, ReferenceDataProvider, Snapshot};

/// The functions that screens call.
pub struct ExerciseConfigService {
    provider: Arc<dyn ReferenceDataProvider>,
}

/// A row as a picker shows it; columns that a screen does not need are left out.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Choice {
    pub id: String,
    pub label: String,
    pub icon: Option<String>,
}

/// A muscle, which may stand below others.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Muscle {
    pub id: String,
    pub label: String,
    pub parent_ids: Vec<String>,
}

/// A piece of equipment.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Equipment {
    pub id: String,
    pub label: String,
    pub category_id: Option<String>,
}

/// A way to go through a motion.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct MotionPath {
    pub id: String,
    pub label: String,
    pub motion_id: Option<String>,
    pub delta_rules: Value,
}

impl ExerciseConfigService {
    /// The service over whichever provider there is.
    pub fn new(provider: Arc<dyn ReferenceDataProvider>) -> Self {
        Self { provider }
    }

    // A picker opens with what is there; the refresh behind it is seen by whoever listens.
    fn now(&self) -> Result<Arc<Snapshot>, Error> {
        self.provider.bootstrap(ReadOptions::allow_stale_cache())
    }

    fn choices(&self, table: &str) -> Result<Vec<Choice>, Error> {
        self.now()?.table(table)?.rows_as()
    }

    pub fn exercise_categories(&self) -> Result<Vec<Choice>, Error> {
        self.choices("exerciseCategories")
    }

    pub fn cardio_types(&self) -> Result<Vec<Choice>, Error> {
        self.choices("cardioTypes")
    }

    pub fn training_focus(&self) -> Result<Vec<Choice>, Error> {
        self.choices("trainingFocus")
    }

    pub fn equipment_categories(&self) -> Result<Vec<Choice>, Error> {
        self.choices("equipmentCategories")
    }

    pub fn grips(&self) -> Result<Vec<Choice>, Error> {
        self.choices("grips")
    }

    pub fn motions(&self) -> Result<Vec<Choice>, Error> {
        self.choices("motions")
    }

    /// The muscles that stand below no other.
    pub fn primary_muscles(&self) -> Result<Vec<Muscle>, Error> {
        self.muscles(|muscle| muscle.parent_ids.is_empty())
    }

    /// The muscles directly below one.
    pub fn muscles_below(&self, id: &str) -> Result<Vec<Muscle>, Error> {
        self.muscles(|muscle| muscle.parent_ids.iter().any(|parent| parent == id))
    }

    pub fn equipment_of(&self, category_id: &str) -> Result<Vec<Equipment>, Error> {
        let mut equipment: Vec<Equipment> = self.now()?.table("equipment")?.rows_as()?;
        equipment.retain(|each| each.category_id.as_deref() == Some(category_id));
        Ok(equipment)
    }

    pub fn motion_paths_of(&self, motion_id: &str) -> Result<Vec<MotionPath>, Error> {
        let mut paths: Vec<MotionPath> = self.now()?.table("motionPaths")?.rows_as()?;
        paths.retain(|path| path.motion_id.as_deref() == Some(motion_id));
        Ok(paths)
    }

    /// The SVG of a piece of equipment, where there is one.
    pub fn equipment_icon(&self, equipment_id: &str) -> Result<Option<String>, Error> {
        let icons = self.now()?.table("equipmentIcons")?;
        let icon = icons
            .row(equipment_id)?
            .and_then(|row| row["value"].as_str());
        Ok(icon.map(str::to_owned))
    }

    /// What a scoring screen looks up.
    pub fn muscle_targets(&self, motion_id: &str) -> Result<Option<Value>, Error> {
        let motions = self.now()?.table("motions")?;
        Ok(motions
            .row(motion_id)?
            .map(|row| row["muscle_targets"].clone()))
    }

    fn muscles(&self, keep: impl Fn(&Muscle) -> bool) -> Result<Vec<Muscle>, Error> {
        let mut muscles: Vec<Muscle> = self.now()?.table("muscles")?.rows_as()?;
        muscles.retain(keep);
        Ok(muscles)
    }
}
