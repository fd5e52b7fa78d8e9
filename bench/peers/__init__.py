"""The same look-up as others would write it, each as its documentation teaches; installed by the `bench` extra."""
