package org.mobilevitedge.app

import android.content.Context
import android.net.Uri
import java.io.File
import java.io.FileNotFoundException
import java.io.IOException
import org.mobilevitedge.core.BenchFiles
import org.mobilevitedge.core.Bundle
import org.mobilevitedge.core.BundleException
import org.mobilevitedge.core.BundleStore
import org.mobilevitedge.core.ModelTitle

/** A bundle of this app by the name of its folder; [bundle] is null if it is damaged, as [title] then says. */
class ModelEntry(val name: String, val bundle: Bundle?, val title: ModelTitle)

/** The bundles of this app. Reading one computes its hashes: not for the main thread. */
class Models(private val context: Context) {
    private val store = BundleStore(File(context.filesDir, "bundles").apply { mkdirs() })
    private val handedOver = BenchFiles(context.filesDir)

    /** Every bundle, damaged ones too, which can be deleted. */
    fun entries(): List<ModelEntry> = store.names().map { name ->
        try {
            val bundle = store.open(name)
            ModelEntry(name, bundle, ModelTitle.of(bundle.manifest))
        } catch (error: BundleException) {
            ModelEntry(name, null, ModelTitle(name, error.message.orEmpty()))
        }
    }

    /** @throws BundleException if there is no such bundle, or it is damaged. */
    fun open(name: String): Bundle {
        if (name !in store.names()) throw BundleException("the app has no bundle called ${name.take(MAX_NAME)}")
        return store.open(name)
    }

    fun delete(name: String) = store.delete(name)

    /** Unpack the bundles that came with the app, once for each version of it; returns what was refused. */
    fun installAssets(): List<String> {
        val done = File(context.filesDir, "assets-of")
        val version = context.packageManager.getPackageInfo(context.packageName, 0).lastUpdateTime.toString()
        if (done.isFile && done.readText() == version) return emptyList()
        val problems = mutableListOf<String>()
        for (file in context.assets.list(ASSETS).orEmpty().filter { it.endsWith(ZIP) }) {
            try {
                context.assets.open("$ASSETS/$file").use { store.install(file.removeSuffix(ZIP), it) }
            } catch (error: BundleException) {
                problems += "$file: ${error.message}"
            }
        }
        try {
            done.writeText(version)
        } catch (error: IOException) {
            problems += "cannot remember what was unpacked: ${error.message}"
        }
        return problems
    }

    /**
     * A zip that the user has picked, under a name made of [displayName].
     *
     * @throws BundleException if it is no bundle, or cannot be read.
     */
    fun install(uri: Uri, displayName: String): Bundle {
        try {
            val stream = context.contentResolver.openInputStream(uri) ?: throw BundleException("the file is gone")
            return stream.use { store.install(storeName(displayName), it) }
        } catch (error: FileNotFoundException) {
            throw BundleException("the file is gone", error)
        } catch (error: SecurityException) {
            throw BundleException("the file may not be read", error)
        }
    }

    /**
     * The bundle [name]: what `adb` has handed over under this name, or else the app's own.
     *
     * @throws BundleException if there is none, or it is damaged.
     */
    fun openOrInstall(name: String): Bundle {
        if (!BundleStore.NAME.matches(name)) throw BundleException("${name.take(MAX_NAME)} is no name of a bundle")
        val zip = handedOver.incoming(name)
        if (!zip.isFile) return open(name)
        try {
            return zip.inputStream().use { store.install(name, it) }
        } catch (error: IOException) {
            throw BundleException("cannot read ${zip.name}: ${error.message}", error)
        } finally {
            zip.delete()
        }
    }

    private fun storeName(displayName: String): String =
        displayName.removeSuffix(ZIP).replace(Regex("[^A-Za-z0-9_.-]"), "_").trimStart('.', '-').take(MAX_NAME).ifEmpty { "bundle" }

    private companion object {
        const val ASSETS = "bundles"
        const val ZIP = ".zip"
        const val MAX_NAME = 100
    }
}
