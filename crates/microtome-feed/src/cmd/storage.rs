//! The head's own way to storage, beside its program's.

use microtome_api::mount::STORAGE_PREFIX;
use microtome_slide::Stores;

/// Stores by the variables with [`STORAGE_PREFIX`], which the program does not get, and by those without for what the
/// others leave open.
pub(super) fn stores() -> Stores {
    Stores::from_env_preferring(STORAGE_PREFIX)
}
