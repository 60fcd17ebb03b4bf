//! How much is measured.

/// The sizes of a run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scale {
    /// Small sizes, to see that everything works.
    pub(crate) quick: bool,
    runs: usize,
}

impl Scale {
    pub(crate) fn new(quick: bool, runs: usize) -> Self {
        Self { quick, runs: if quick { runs.min(2) } else { runs } }
    }

    /// Measurements of each side.
    pub(crate) fn runs(self) -> usize {
        self.runs
    }

    /// A size, or a fiftieth of it.
    pub(crate) fn size(self, full: usize) -> usize {
        if self.quick { full / 50 } else { full }
    }
}
