//! What a provider is not asked for any more, because it said that asking is of no use.

use std::collections::{BTreeMap, BTreeSet};

use super::guard::{Refused, Verdict};
use crate::model::{AssetClass, AttemptOutcome, FailureClass};

/// One kind of question to a provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Endpoint {
    Quotes(AssetClass),
    Assets(AssetClass),
}

impl std::fmt::Display for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Quotes(class) => write!(f, "{class} quotes"),
            Self::Assets(class) => write!(f, "{class} list"),
        }
    }
}

/// Which endpoints are off. Lasts until the process ends or an operator resets the provider: both
/// cures, another key and another plan, need one of the two.
#[derive(Debug, Default)]
pub(super) struct Switches {
    /// Why nothing at all is asked: the key was refused.
    key_refused: Option<String>,
    off: BTreeMap<Endpoint, String>,
    /// Endpoints that have answered: the plan covers them, and a later refusal concerns a symbol.
    answered: BTreeSet<Endpoint>,
}

impl Switches {
    pub(super) fn reset(&mut self) {
        *self = Self::default();
    }

    /// Everything that is off; a refused key names every endpoint as none.
    pub(super) fn off(&self) -> Vec<(Option<Endpoint>, String)> {
        let all = self.key_refused.iter().map(|why| (None, why.clone()));
        all.chain(self.off.iter().map(|(endpoint, why)| (Some(*endpoint), why.clone()))).collect()
    }

    /// Why this must not be asked; none when it may.
    pub(super) fn refusal(&self, endpoint: Endpoint) -> Option<Refused> {
        let why = self.key_refused.as_ref().or_else(|| self.off.get(&endpoint))?;
        let (outcome, detail) = (AttemptOutcome::SwitchedOff, why.clone());
        Some(Refused { outcome, detail, until: None })
    }

    /// Learns from a finished call.
    pub(super) fn note(&mut self, endpoint: Endpoint, verdict: &Verdict, has_key: bool) {
        match verdict {
            Verdict::Fine => {
                self.answered.insert(endpoint);
            }
            Verdict::Failed(error) => match error.class {
                FailureClass::Auth if has_key => {
                    let why = format!("its key was refused ({}); set another one", error.detail);
                    self.key_refused = Some(why);
                }
                FailureClass::Forbidden if !self.answered.contains(&endpoint) => {
                    let why = format!("its plan does not cover {endpoint} ({})", error.detail);
                    self.off.insert(endpoint, why);
                }
                _ => {}
            },
        }
    }
}
