"""A `Source` over HTTP: DICOMweb (PS3.18 section 10) as real servers speak it."""
