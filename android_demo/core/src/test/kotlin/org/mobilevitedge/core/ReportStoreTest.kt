package org.mobilevitedge.core

import java.io.File
import java.io.FileNotFoundException
import java.nio.file.Files
import kotlin.test.AfterTest
import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertTrue
import org.json.JSONObject

class ReportStoreTest {
    private val root: File = Files.createTempDirectory("app").toFile()
    private val files = BenchFiles(root)
    private val store = ReportStore(files.reports)
    private val run = Run(
        "a", "0.1.0", "2026-01-31T12:00:00Z", Run.Device(false, "Pixel 9", "Tensor", 8, null, "15"), emptyMap(),
        Run.Affinity(null, null), BenchPlan(), emptyList(), emptyList(),
    )

    @AfterTest
    fun clean() {
        root.deleteRecursively()
    }

    private fun flags(file: File) = JSONObject(file.readText()).getJSONArray("runs").getJSONObject(0).getJSONArray("flags")

    @Test
    fun `what the app did not live to finish is a report that says so`() {
        store.keep("first", run)
        assertEquals("interrupted", flags(store.recover().single()).getJSONObject(0).getString("kind"))
        assertEquals(listOf("first.json"), files.reports.list()!!.toList())
        assertEquals(emptyList(), store.recover())
    }

    @Test
    fun `a finished report leaves nothing to recover`() {
        store.keep("first", run)
        assertEquals(0, flags(store.finish("first", run)).length())
        store.keep("second", run)
        store.discard("second")
        assertEquals(emptyList(), store.recover())
    }

    @Test
    fun `a folder that cannot be written is a refusal in words`() {
        files.reports.parentFile.mkdirs()
        files.reports.writeText("a file in its place")
        val error = assertFailsWith<BundleException> { store.finish("first", run) }
        assertTrue("storage" in error.message!!)
    }

    @Test
    fun `a computer writes zips and reads reports, and nothing else`() {
        files.toWrite(listOf("incoming", "small.zip")).writeText("zip")
        assertTrue(files.incoming("small").isFile)
        store.finish("first", run)
        assertTrue(files.toRead(listOf("reports", "first.json")).isFile)
        for (path in listOf("", "small.zip", "incoming/small", "incoming/../x.zip", "incoming/.zip", "incoming/.x.zip", "reports/x.zip", "incoming/a/b.zip", "../incoming/a.zip")) {
            assertFailsWith<FileNotFoundException>(path) { files.toWrite(path.split('/')) }
        }
        assertFailsWith<FileNotFoundException> { files.toWrite(emptyList()) }
        for (path in listOf("", "first.json", "reports/first", "reports/other.json", "reports/../x.json", "incoming/small.zip", "reports/first.partial.json")) {
            assertFailsWith<FileNotFoundException>(path) { files.toRead(path.split('/')) }
        }
    }
}
