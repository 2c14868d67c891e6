"""Methods that lower the cost of a gain, one a module behind one small interface (`lqrpg.methods.base`)."""
