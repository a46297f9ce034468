package org.mobilevitedge.core

import java.io.File
import java.io.IOException
import java.io.InputStream
import java.nio.ByteBuffer
import java.nio.charset.CharacterCodingException
import java.security.MessageDigest
import java.util.zip.ZipException
import java.util.zip.ZipInputStream

/** Bundles below the folder [root], which is this store's alone; none is larger than [maxBytes]. */
class BundleStore(private val root: File, private val maxBytes: Long = MAX_BYTES) {

    /** Names of the bundles that [install] has put here. */
    fun names(): List<String> =
        root.listFiles { file -> file.isDirectory && !file.name.startsWith(".") }.orEmpty().map { it.name }.sorted()

    /**
     * Unpack a zip that a stranger made, check it, and keep it as [name]; a bundle of that name is replaced.
     * Nothing stays if the zip is refused.
     *
     * @throws BundleException if it is no whole bundle, too large, or leads out of its folder.
     */
    fun install(name: String, zip: InputStream): Bundle {
        require(NAME.matches(name)) { "a bundle named $name" }
        val fresh = File(root, ".$name.new")
        fresh.deleteRecursively()
        try {
            unpack(zip, fresh)
            read(fresh)
            val target = File(root, name)
            target.deleteRecursively()
            if (!fresh.renameTo(target)) throw BundleException("cannot store the bundle: is the device full?")
            return read(target)
        } catch (error: ZipException) {
            throw BundleException("no zip file, or a damaged one", error)
        } catch (error: IOException) {
            val reason = error.message.orEmpty()
            if (FULL.any { it in reason }) throw BundleException("the storage is full: free some space, then add the model again", error)
            throw BundleException("cannot unpack the bundle: $reason", error)
        } finally {
            fresh.deleteRecursively()
        }
    }

    /** Remove a bundle; one that is not there is no error. */
    fun delete(name: String) {
        require(NAME.matches(name)) { "a bundle named $name" }
        File(root, name).deleteRecursively()
    }

    /** @throws BundleException if there is no whole bundle of that name. */
    fun open(name: String): Bundle {
        require(NAME.matches(name)) { "a bundle named $name" }
        return read(File(root, name))
    }

    private fun unpack(input: InputStream, folder: File) {
        if (!folder.mkdirs()) throw BundleException("cannot make a folder for the bundle: is the device full?")
        var left = maxBytes
        var entries = 0
        ZipInputStream(input).use { zip ->
            while (true) {
                val entry = next(zip) ?: break
                if (++entries > MOST_ENTRIES) throw BundleException("the zip holds more than $MOST_ENTRIES files")
                if (entry.isDirectory) continue
                if (!ManifestReader.PATH.matches(entry.name)) {
                    throw BundleException("the zip leads out of its folder: ${entry.name.take(80)}")
                }
                val target = File(folder, entry.name)
                target.parentFile?.mkdirs()
                if (target.exists()) throw BundleException("the zip holds ${entry.name} twice")
                left -= copy(zip, target, left)
            }
        }
        if (entries == 0) throw BundleException("no zip file, or an empty one")
    }

    private fun next(zip: ZipInputStream) =
        try {
            zip.nextEntry
        } catch (error: IllegalArgumentException) {
            // What Java throws for a name in no encoding.
            throw BundleException("the zip holds a name that is no text", error)
        }

    /** How much was copied; what a zip says of its sizes is not trusted. */
    private fun copy(from: InputStream, to: File, most: Long): Long {
        val buffer = ByteArray(BUFFER)
        var total = 0L
        to.outputStream().use { output ->
            while (true) {
                val count = from.read(buffer)
                if (count < 0) return total
                total += count
                if (total > most) throw BundleException("the bundle is larger than ${maxBytes shr 20} MB")
                output.write(buffer, 0, count)
            }
        }
    }

    companion object {
        /** What a bundle may be called. */
        val NAME = Regex("[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")
        const val MAX_BYTES = 512L * 1024 * 1024

        /** What systems say of a full storage. */
        private val FULL = listOf("ENOSPC", "No space left")
        private const val MOST_ENTRIES = 100
        private const val BUFFER = 1 shl 16

        /** The bundle in a folder. */
        private fun read(folder: File): Bundle {
            val manifest = ManifestReader.read(text(File(folder, Manifest.FILE), Manifest.MAX_BYTES))
            for (file in manifest.files) check(File(folder, file.path), file)
            val labels = Labels.parse(text(File(folder, Manifest.LABELS), Labels.MAX_BYTES), manifest.labelCount)
            return Bundle(folder, manifest, labels)
        }

        private fun check(file: File, listed: Manifest.BundleFile) {
            if (!file.isFile) throw BundleException("the bundle lacks ${listed.path}: export or copy it again")
            if (file.length() != listed.bytes || sha256(file) != listed.sha256) {
                throw BundleException("${listed.path} is not the file that was exported: export or copy it again")
            }
        }

        private fun text(file: File, most: Long): String {
            if (!file.isFile) throw BundleException("the bundle lacks ${file.name}: is it a bundle of mobilevit-export?")
            if (file.length() > most) throw BundleException("${file.name} is larger than ${most shr 20} MB")
            try {
                return Charsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(file.readBytes())).toString()
            } catch (error: CharacterCodingException) {
                throw BundleException("${file.name} is no UTF-8 text", error)
            }
        }

        private fun sha256(file: File): String {
            val digest = MessageDigest.getInstance("SHA-256")
            val buffer = ByteArray(BUFFER)
            file.inputStream().use { input ->
                while (true) {
                    val count = input.read(buffer)
                    if (count < 0) break
                    digest.update(buffer, 0, count)
                }
            }
            return digest.digest().joinToString("") { "%02x".format(it) }
        }
    }
}
