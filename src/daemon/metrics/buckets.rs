//! Upper bounds of the histograms' buckets, seconds.

/// Of exchanges with a server: from a cache's answer on the same machine to the longest time-out.
pub(super) const EXCHANGE: [f64; 14] =
    [0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0];

/// Of propagation: from a NOTIFY that is acted on at once to the TTLs and refresh times that people set.
pub(super) const PROPAGATION: [f64; 14] =
    [0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 120.0, 300.0, 900.0, 3600.0];
