//! The life of pods, over fakes, with the clock paused.

mod life;
mod probes;
mod restart;
mod volumes;
