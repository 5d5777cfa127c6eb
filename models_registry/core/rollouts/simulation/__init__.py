"""Roll-outs in virtual time, with the judge's own objects: how often it errs, and how soon it decides."""
