//! For tests alone: an apiserver in memory, nodes that play by a script, and the controllers driven over both until nothing
//! changes any more. A fake: it knows nothing of schemas, rights or scheduling; the end-to-end tests meet the real one.

mod apiserver;
mod crashes;
mod stage;
