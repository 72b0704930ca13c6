// blob.js put CONTAINER NAME FILE | ls CONTAINER — against the account that AZURITE_URL, AZURITE_ACCOUNT and AZURITE_KEY name
"use strict";
const { BlobServiceClient, StorageSharedKeyCredential } = require("@azure/storage-blob");

const env = (name) => process.env[name] ?? fail(`${name} is not set: run this by tests/cluster/blob`);
function fail(message) {
  console.error(`blob: ${message}`);
  process.exit(1);
}

const account = new BlobServiceClient(
  env("AZURITE_URL"),
  new StorageSharedKeyCredential(env("AZURITE_ACCOUNT"), env("AZURITE_KEY")),
);
const commands = {
  async put(containerName, name, file) {
    const container = account.getContainerClient(containerName);
    await container.createIfNotExists();
    await container.getBlockBlobClient(name).uploadFile(file);
    console.log(container.getBlockBlobClient(name).url);
  },
  async ls(containerName) {
    for await (const blob of account.getContainerClient(containerName).listBlobsFlat()) {
      console.log(`${blob.properties.contentLength}\t${blob.name}`);
    }
  },
};

const [name, ...args] = process.argv.slice(2);
const command = Object.hasOwn(commands, name ?? "") ? commands[name] : fail(`no command ${name}`);
command(...args).catch((error) => fail(error.message.split("\n")[0]));
