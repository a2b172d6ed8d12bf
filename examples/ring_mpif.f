C     SPDX-License-Identifier: BSD-3-Clause
C     ring_mpif: a token goes round, FORTRAN 77 with mpif.h. Each rank
C     adds its number; rank 0 checks the sum, every rank what came.
      program ring
      implicit none
      include 'mpif.h'
      integer rounds, words
      parameter (rounds = 10, words = 1000)
      integer ierr, rank, size, next, prev, round, i, bad, all
      integer status(MPI_STATUS_SIZE), count
      integer token(words)

      call MPI_INIT(ierr)
      call MPI_COMM_RANK(MPI_COMM_WORLD, rank, ierr)
      call MPI_COMM_SIZE(MPI_COMM_WORLD, size, ierr)
      next = mod(rank + 1, size)
      prev = mod(rank + size - 1, size)
      bad = 0

      do 30 round = 1, rounds
         if (rank .eq. 0) then
            do 10 i = 1, words
               token(i) = round * i
 10         continue
            if (size .gt. 1) call MPI_SEND(token, words, MPI_INTEGER,
     &           next, round, MPI_COMM_WORLD, ierr)
         end if
         if (size .gt. 1) then
            call MPI_RECV(token, words, MPI_INTEGER, prev, round,
     &           MPI_COMM_WORLD, status, ierr)
            call MPI_GET_COUNT(status, MPI_INTEGER, count, ierr)
            if (count .ne. words) bad = bad + 1
            if (status(MPI_SOURCE) .ne. prev) bad = bad + 1
         end if
C        the ranks 1, ..., prev have added their numbers
         do 20 i = 1, words
            if (rank .ne. 0) then
               if (token(i) .ne. round * i + prev * (prev + 1) / 2)
     &              bad = bad + 1
               token(i) = token(i) + rank
            else if (token(i) .ne. round * i + (size - 1) * size / 2)
     &              then
               bad = bad + 1
            end if
 20      continue
         if (rank .ne. 0) call MPI_SEND(token, words, MPI_INTEGER,
     &        next, round, MPI_COMM_WORLD, ierr)
 30   continue

      call MPI_REDUCE(bad, all, 1, MPI_INTEGER, MPI_SUM, 0,
     &     MPI_COMM_WORLD, ierr)
      if (bad .ne. 0) then
         write (0, *) 'ring_mpif: rank', rank, ':', bad, 'errors'
         call MPI_ABORT(MPI_COMM_WORLD, 1, ierr)
      end if
      if (rank .eq. 0) write (*, '(a,i0,a,i0,a)')
     &     'ring_mpif: ok, ', rounds, ' rounds over ', size, ' ranks'
      call MPI_FINALIZE(ierr)
      end
