"""The tutorial on AP-supine and PA chest radiographs: what a network looks at, and what it would do without it."""
