//! Open blocks on disk: append, sync, replay
