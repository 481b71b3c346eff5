package store

import "bytes"

func (c *checker) checkAccesses() error {
	ids := make(map[string]bool)
	err := walkRecords(c, bucketAccess, func(k []byte, r accessRecord) {
		c.report.Accesses++
		if !bytes.Equal(k, accessKey(r.Account, r.ID)) {
			c.problem("access %s of %s is stored under another name", r.ID, r.Account)
		}
		if !c.exists(bucketAccounts, []byte(r.Account.Key())) {
			c.problem("access %s is of %s, which has no account", r.ID, r.Account)
		}
		if r.ID != PasswordAccess && ids[r.ID] {
			c.problem("there are two accesses %s", r.ID)
		}
		ids[r.ID] = true
		_, err := c.unsealAccess(r)
		if err != nil {
			c.problem("%v", err)
		}
	})
	if err == nil && c.exists(bucketMeta, []byte(metaLoginKey)) {
		_, broken := c.LoginKey()
		if broken != nil {
			c.problem("%v", broken)
		}
	}
	return err
}

func (c *checker) checkLastUses() error {
	return walkRecords(c, bucketLastUse, func(k []byte, _ LastUse) {
		account, isPassword := bytes.CutSuffix(k, []byte("\x00"+PasswordAccess))
		if !c.exists(bucketAccess, k) && !(isPassword && c.exists(bucketAccounts, account)) {
			c.problem("the last use of %q is of no access", k)
		}
	})
}
