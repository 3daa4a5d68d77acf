//! The flag that says whether data comes from the server.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};

use serde_json::Value;

use crate::lock::lock;

/// A function to be called when a flag may have changed.
pub type Changed = Arc<dyn Fn() + Send + Sync>;

/// A flag that says whether data comes from the server. It is on if its value is the boolean
/// `true`, and else off: `"true"`, 1 and a flag that panics are off.
///
/// A `bool` is a flag that never changes. A function that returns a [`Value`] is asked at each
/// read and before each refresh. A [`Switch`] is flipped by the app.
pub trait Flag: Send + Sync + 'static {
    /// The value of the flag now.
    fn value(&self) -> Value;

    /// Takes a function that the flag calls when its value may have changed. By default the flag
    /// calls nothing; it is still asked at each read and before each refresh.
    fn watch(&self, changed: Changed) {
        let _ = changed;
    }
}

impl Flag for bool {
    fn value(&self) -> Value {
        Value::Bool(*self)
    }
}

impl<F: Fn() -> Value + Send + Sync + 'static> Flag for F {
    fn value(&self) -> Value {
        self()
    }
}

/// A flag that the app flips; clones are the same switch.
#[derive(Clone, Default)]
pub struct Switch(Arc<Inner>);

#[derive(Default)]
struct Inner {
    value: Mutex<Value>,
    watching: Mutex<Vec<Changed>>,
}

impl Switch {
    /// A switch with this value.
    pub fn new(value: impl Into<Value>) -> Self {
        let switch = Self::default();
        *lock(&switch.0.value) = value.into();
        switch
    }

    /// Flips the switch. Each provider behind it has changed its snapshot when this returns.
    pub fn set(&self, value: impl Into<Value>) {
        *lock(&self.0.value) = value.into();
        let watching = lock(&self.0.watching).clone();
        for changed in watching {
            changed();
        }
    }
}

impl std::fmt::Debug for Switch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Switch").field(&self.value()).finish()
    }
}

impl Flag for Switch {
    fn value(&self) -> Value {
        lock(&self.0.value).clone()
    }

    fn watch(&self, changed: Changed) {
        lock(&self.0.watching).push(changed);
    }
}

/// Whether a flag is on; a flag that panics is off.
pub(crate) fn is_on(flag: &dyn Flag) -> bool {
    catch_unwind(AssertUnwindSafe(|| flag.value())).is_ok_and(|value| value == Value::Bool(true))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_true_is_on() {
        assert!(is_on(&true));
        assert!(is_on(&Switch::new(true)));
        assert!(!is_on(&false));
        assert!(!is_on(&Switch::default()));
        for value in [
            json!("true"),
            json!(1),
            json!(null),
            json!([true]),
            json!({}),
        ] {
            assert!(!is_on(&move || value.clone()));
        }
        fn breaks() -> Value {
            panic!("the flags are not there")
        }
        assert!(!is_on(&breaks));
    }
}
