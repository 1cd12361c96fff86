// Run at every start: make the one-node replica set where there is none, and wait until it takes writes.
const password = require("fs").readFileSync("/run/credentials/mongo_root_password", "utf8").trim();
const admin = db.getSiblingDB("admin");
admin.auth("root", password);
try {
  rs.status();
} catch (error) {
  if (error.codeName !== "NotYetInitialized") throw error;
  rs.initiate({ _id: "rs0", members: [{ _id: 0, host: "mongo:27017" }] });
}
for (let tries = 0; !admin.hello().isWritablePrimary; tries++) {
  if (tries === 120) throw new Error("no primary after a minute");
  sleep(500);
}
