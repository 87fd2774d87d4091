"""A folder of DICOM files as a `Source`: an index in SQLite, files read where they lie."""
