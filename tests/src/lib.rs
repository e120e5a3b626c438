//! Tests that cross crates: real nodes end to end
