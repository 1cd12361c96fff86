// Run at every start: make the one-node replica set where there is none, wait until it takes writes, and see to the user
// of API and workers. The image would make that one only in a database that is new, and a first start can be cut short.
const read = (name) => require("fs").readFileSync(`/run/credentials/${name}`, "utf8").trim();
const admin = db.getSiblingDB("admin");
admin.auth("root", read("mongo_root_password"));
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
// With rights on their database alone.
const app = db.getSiblingDB("parascribe");
const user = { pwd: read("mongo_password"), roles: [{ role: "readWrite", db: "parascribe" }] };
if (app.getUser("parascribe")) app.updateUser("parascribe", user);
else app.createUser({ user: "parascribe", ...user });
