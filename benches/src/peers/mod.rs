//! `peers`: whether the peer book finds peers, learns which are worth having, and cannot be taken over.
//!
//! Three simulations drive the real book through a made-up network, on injected time and committed seeds: an
//! [`eclipse`], a [`cold`] start, and [`learning`]. What they measure no other work on the machine tells on, and the same
//! seed gives the same result everywhere. The fourth part, [`idle`], is a real engine with a large book and nothing to do.

mod cold;
mod eclipse;
mod idle;
mod learning;
mod network;
mod world;

pub(crate) use self::idle::measure as measure_idle;
use crate::{
    Scope,
    figure::Figure,
    part::{self, Part},
};

/// Measures all rows.
pub(crate) fn run(scope: Scope) -> anyhow::Result<Vec<Figure>> {
    let mut rows = Vec::new();
    for simulate in [eclipse::run, cold::run, learning::run] {
        let measured = simulate(scope);
        measured.iter().try_for_each(Figure::print)?;
        rows.extend(measured);
    }
    rows.extend(part::measure(Part::IdleBook.command()?, scope)?);
    Ok(rows)
}
